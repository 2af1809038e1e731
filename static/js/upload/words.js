"use strict";
/* Numbers as people say them. */
const Words = (() => {
  const count = new Intl.NumberFormat("en");
  const number = (value) => count.format(value);
  const files = (value) => `${number(value)} ${value === 1 ? "file" : "files"}`;

  function size(bytes) {
    for (const [unit, power] of [["GB", 30], ["MB", 20], ["KB", 10]]) {
      const value = bytes / 2 ** power;
      if (value >= 1) return `${value >= 100 ? Math.round(value) : value.toFixed(1)} ${unit}`;
    }
    return `${bytes} bytes`;
  }

  function timeLeft(seconds) {
    if (!Number.isFinite(seconds)) return "";
    if (seconds < 10) return "a few seconds left";
    if (seconds < 90) return `about ${Math.ceil(seconds / 10) * 10} seconds left`;
    const minutes = Math.ceil(seconds / 60);
    if (minutes < 90) return `about ${minutes} minutes left`;
    return `about ${Math.ceil(minutes / 60)} hours left`;
  }

  return { number, files, size, timeLeft };
})();
