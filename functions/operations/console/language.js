// In which language the operator reads, and what things are called in it.

const WORDS = { "zh-CN": ZH_CN, "en": EN, "ja": JA };

const primary = (tag) => tag.toLowerCase().split("-")[0];

// The first of the browser's that there are words in.
let language = navigator.languages
  .map((tag) => Object.keys(WORDS).find((known) => primary(known) === primary(tag)))
  .find((known) => known !== undefined) ?? "zh-CN";

function t(name, values = {}) {
  const text = WORDS[language][name] ?? name;
  return text.replace(/\{(\w+)\}/g, (all, value) => (value in values ? String(values[value]) : all));
}

/** The words for a name of the API; a name that is not known yet stands for itself. */
function named(group, name) {
  const word = `${group}.${name}`;
  return word in WORDS[language] ? t(word) : name;
}

const number = (value) => new Intl.NumberFormat(language).format(value);
