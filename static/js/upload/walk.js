"use strict";
/* From a drop or a file input to a flat list of files, folders walked to their end. */
const Walk = (() => {
  const readSome = (reader) => new Promise((done, failed) => reader.readEntries(done, failed));
  const fileOf = (entry) => new Promise((done, failed) => entry.file(done, failed));

  /* One call gives at most about a hundred entries: ask until it gives none. */
  async function readAll(folder) {
    const reader = folder.createReader();
    const entries = [];
    for (let some = await readSome(reader); some.length; some = await readSome(reader)) entries.push(...some);
    return entries;
  }

  async function walk(entry, take) {
    try {
      if (entry.isFile) return take({ file: await fileOf(entry), path: entry.fullPath.slice(1) });
      for (const child of await readAll(entry)) await walk(child, take);
    } catch {
      take({ unreadable: true, path: entry.fullPath.slice(1) });
    }
    return undefined;
  }

  /* The list of a DataTransfer dies with the event: everything is taken from it at once. */
  function fromDrop(transfer, take) {
    const items = [...transfer.items].filter((item) => item.kind === "file");
    const entries = items.map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.length) return fromList(transfer.files, take);
    return Promise.all(entries.map((entry) => walk(entry, take)));
  }

  async function fromList(list, take) {
    for (const file of [...list]) take({ file, path: file.webkitRelativePath || file.name });
  }

  return { fromDrop, fromList };
})();
