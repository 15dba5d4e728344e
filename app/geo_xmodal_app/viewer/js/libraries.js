// OpenLayers, geotiff and proj4 as plain scripts of our own port, once a page.

const SCRIPTS = [
  ["GeoTIFF", "geotiff.js"], // first: OpenLayers takes it from the page
  ["ol", "ol.js"],
  ["proj4", "proj4.js"],
];

let loading;

export function loadLibraries(base) {
  loading ??= Promise.all(SCRIPTS.map(([name, file]) => loadScript(base, name, file))).catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

function loadScript(base, name, file) {
  if (window[name]) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${base}/${file}`;
    script.async = false; // fetched together, run in this order
    script.onload = resolve;
    script.onerror = () =>
      reject(new Error(`${script.src} cannot be loaded: run "make setup", which installs it`));
    document.head.append(script);
  });
}

export function hasWebGL() {
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext("webgl2") ?? canvas.getContext("webgl"));
}
