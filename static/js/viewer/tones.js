"use strict";
/* From samples to what is shown of them: the recipe of docs/pictures.md, one table for all
   values of a frame, so that a new window costs one look-up a pixel. */
const Tones = (() => {
  const TYPES = { uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array };

  /* An answer of the service: its description and its bytes. */
  function frameOf(description, bytes) {
    const { rows, columns, samples, type, table_length: length } = description;
    const end = bytes.byteLength - length;
    return {
      ...description,
      values: new TYPES[type](bytes, 0, rows * columns * samples),
      table: length ? new Uint8Array(bytes, end, length) : null,
      size: bytes.byteLength,
    };
  }

  /* 0 to 1 of a modality value (PS3.3 C.11.2.1.2, C.11.2.1.3). */
  function windowing({ center, width, function: name }) {
    if (name === "SIGMOID") return (x) => 1 / (1 + Math.exp((-4 * (x - center)) / width));
    if (name === "LINEAR_EXACT") return (x) => (x - center) / width + 0.5;
    if (width <= 1) return (x) => (x > center - 0.5 ? 1 : 0);
    return (x) => (x - (center - 0.5)) / (width - 1) + 0.5;
  }

  function levels(frame, wanted, inverted) {
    const { least, greatest, slope, intercept } = frame;
    const shown = new Uint8Array(greatest - least + 1);
    const turned = frame.inverted !== inverted;
    if (!wanted && frame.table) {
      return inverted ? shown.map((_, index) => 255 - frame.table[index]) : frame.table;
    }
    const y = windowing(wanted ?? frame.window);
    for (let index = 0; index < shown.length; index += 1) {
      const level = Math.min(1, Math.max(0, y((least + index) * slope + intercept)));
      shown[index] = (turned ? 1 - level : level) * 255 + 0.5;
    }
    return shown;
  }

  /* Each step-th pixel, each way, of a frame into an ImageData of that size. */
  function paint(frame, wanted, inverted, step, image) {
    const pixels = new Uint32Array(image.data.buffer);
    const shown = levels(frame, wanted, inverted);
    if (frame.samples === 1) paintGrey(frame, shown, step, pixels);
    else paintColours(frame, shown, step, pixels);
  }

  function paintGrey({ values, rows, columns, least }, shown, step, pixels) {
    const packed = Uint32Array.from(shown, (level) => 0xff000000 | (level * 0x010101));
    let at = 0;
    for (let row = 0; row < rows; row += step) {
      const end = (row + 1) * columns;
      for (let from = row * columns; from < end; from += step) {
        pixels[at] = packed[values[from] - least];
        at += 1;
      }
    }
  }

  function paintColours({ values, rows, columns }, shown, step, pixels) {
    let at = 0;
    for (let row = 0; row < rows; row += step) {
      const end = (row + 1) * columns * 3;
      for (let from = row * columns * 3; from < end; from += 3 * step) {
        pixels[at] = 0xff000000 | (shown[values[from + 2]] << 16)
          | (shown[values[from + 1]] << 8) | shown[values[from]];
        at += 1;
      }
    }
  }

  /* Least and greatest modality value of a frame. */
  function extent({ least, greatest, slope, intercept }) {
    const ends = [least * slope + intercept, greatest * slope + intercept];
    return [Math.min(...ends), Math.max(...ends)];
  }

  /* The modality value of a pixel, or its three colours. */
  function valueAt({ values, columns, samples, slope, intercept }, column, row) {
    const at = (row * columns + column) * samples;
    return Array.from(values.subarray(at, at + samples), (value) => value * slope + intercept);
  }

  return { frameOf, paint, extent, valueAt };
})();
