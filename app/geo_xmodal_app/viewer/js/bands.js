// What a band is called, and which three are shown as red, green and blue.

/** Red, green and blue: those that the layer began with, where it began with three. */
export function threeBands(spec) {
  if (spec.shown_bands.length >= 3) return spec.shown_bands.slice(0, 3);
  return spec.presets[0]?.[1] ?? [0, 1, 2];
}

export function bandName(spec, band) {
  const wavelength = spec.wavelengths[band];
  const name = spec.bands[band] ?? `band ${band + 1}`;
  if (wavelength === null || wavelength === undefined) return name;
  return /\d\s*(nm|[uµμ]m)/i.test(name) ? name : `${name} (${Math.round(wavelength)} nm)`;
}
