// Drawing on the map, whatever for: one tool at a time, and no click reads a pixel or zooms meanwhile.

const AFTER = 300; // ms after which a click is no part of the double click that ended a polygon

export function createPen(app) {
  const { ol, map } = app;
  let used = null; // { interactions, onstop }
  let resting = 0;

  const zooms = () =>
    map
      .getInteractions()
      .getArray()
      .filter((one) => one instanceof ol.interaction.DoubleClickZoom);

  /** Take up a tool; what was in hand before is told that it is laid down. */
  function take(interactions, onstop) {
    lay();
    clearTimeout(resting);
    app.drawing = true;
    zooms().forEach((one) => one.setActive(false));
    used = { interactions, onstop };
    interactions.forEach((one) => map.addInteraction(one));
    map.getTargetElement().focus();
  }

  function lay() {
    if (!used) return;
    const { interactions, onstop } = used;
    used = null;
    interactions.forEach((one) => map.removeInteraction(one));
    resting = setTimeout(() => {
      app.drawing = false;
      zooms().forEach((one) => one.setActive(true));
    }, AFTER);
    onstop();
  }

  /** Corner after corner, a double click ends: `done` gets the rings in the map's coordinates. */
  function polygon({ source, begun = () => {}, done }) {
    const draw = new ol.interaction.Draw({ source, type: "Polygon" });
    draw.on("drawstart", begun);
    draw.on("drawend", ({ feature }) => done(feature.getGeometry().getCoordinates(), feature));
    return draw;
  }

  /** Corner after corner, a double click ends: `moved` and `done` get the corners in the map's coordinates. */
  function line({ source, begun, moved, done }) {
    const draw = new ol.interaction.Draw({ source, type: "LineString" });
    draw.on("drawstart", ({ feature }) => {
      begun();
      feature.getGeometry().on("change", ({ target }) => moved(target.getCoordinates()));
    });
    draw.on("drawend", ({ feature }) => done(feature.getGeometry().getCoordinates()));
    return draw;
  }

  /**
   * The way of the pointer from where it is pressed: `moved` gets it so far, `done` all of it. A second finger
   * makes it a pinch, and the way is `dropped`.
   */
  function path({ moved, done, dropped }) {
    let places = [];
    return new ol.interaction.Pointer({
      handleDownEvent: ({ coordinate, originalEvent }) => {
        if (originalEvent.button) return false;
        places = [coordinate];
        moved(places);
        return true;
      },
      handleDragEvent: ({ coordinate, activePointers }) => {
        if (activePointers.length > 1) {
          places = [];
          dropped();
        } else if (places.length) moved((places = [...places, coordinate]));
      },
      handleUpEvent: () => {
        if (places.length) done(places);
        return false;
      },
    });
  }

  /** A click, at once. */
  function click(done) {
    return new ol.interaction.Interaction({
      handleEvent: (event) => {
        if (event.type === "click") done(event.coordinate);
        return true;
      },
    });
  }

  app.on("escape", lay);
  return { take, lay, polygon, line, path, click };
}
