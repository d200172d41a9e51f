// Tables as files that a spreadsheet opens, and does not execute.

/** What a spreadsheet takes for a formula by its first character; in full width, too. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/** A cell, always in quotes; before what would be a formula stands the quote that makes it a text. */
function csvCell(value) {
  const text = String(value ?? "");
  const harmless = FORMULA.test(text) ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}

/** A table as a file: with the mark by which a spreadsheet knows UTF-8, and the line ends of RFC 4180. */
function csvOf(rows) {
  const lines = rows.map((row) => `${row.map(csvCell).join(",")}\r\n`);
  return new Blob(["\uFEFF", ...lines], { type: "text/csv;charset=utf-8" });
}
