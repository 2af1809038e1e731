"use strict";
/* What a file is by its first bytes: the same kinds the service takes. Answers null for a
   file worth sending, else {reason, final}; final: sending it anyway is no use. */
const Sniff = (() => {
  const HEAD = 140;
  const MEGABYTE = 2 ** 20;
  const LEFTOVERS = /^(\.ds_store|thumbs\.db|desktop\.ini|\._.*|\.directory|\.localized|~\$.*)$/i;

  const text = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));
  const starts = (bytes, ...values) => values.every((value, index) => bytes[index] === value);

  function isImage(bytes) {
    const four = text(bytes, 0, 4);
    return starts(bytes, 0xff, 0xd8, 0xff) || starts(bytes, 0x89, 0x50, 0x4e, 0x47)
      || ["II*\0", "MM\0*", "II+\0", "MM\0+", "GIF8"].includes(four) || text(bytes, 0, 2) === "BM"
      || (four === "RIFF" && text(bytes, 8, 12) === "WEBP") || text(bytes, 4, 8) === "jP  "
      || starts(bytes, 0xff, 0x4f, 0xff, 0x51)
      || (text(bytes, 4, 8) === "ftyp" && /avi[fs]|he[iv][cxms]/.test(text(bytes, 8, 64)));
  }

  /* Without the preamble a data set begins with an element of group 0002 or 0008. */
  function isBareDataSet(bytes) {
    const little = starts(bytes, 0x02, 0x00) || starts(bytes, 0x08, 0x00);
    const big = starts(bytes, 0x00, 0x02) || starts(bytes, 0x00, 0x08);
    return (little && bytes[3] === 0) || (big && bytes[2] === 0);
  }

  const isArchive = (bytes) => starts(bytes, 0x50, 0x4b, 0x03, 0x04);
  const isDicom = (bytes) => text(bytes, 128, 132) === "DICM" || isBareDataSet(bytes);
  const skip = (reason, final = false) => ({ reason, final });

  async function look(file, limits) {
    if (LEFTOVERS.test(file.name)) return skip("Left behind by the computer's file manager");
    if (file.size === 0) return skip("Empty: not one byte in it", true);
    if (/^dicomdir$/i.test(file.name)) return skip("DICOMDIR: an index; the files it lists are sent themselves");
    if (file.size > limits.fileMb * MEGABYTE) return skip(`Larger than ${Words.size(limits.fileMb * MEGABYTE)}`, true);
    const bytes = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
    if (isDicom(bytes) || isArchive(bytes)) return null;
    if (!isImage(bytes)) return skip("Neither a picture nor DICOM by its first bytes");
    if (file.size <= limits.imageMb * MEGABYTE) return null;
    return skip(`A picture file larger than ${Words.size(limits.imageMb * MEGABYTE)}`, true);
  }

  return { look };
})();
