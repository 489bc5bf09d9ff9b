const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML text or attribute value. */
export const escapeHtml = (words: string): string => words.replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? char);

/** Text as Markdown text on one line, also within a table's cell: nothing in it is taken for syntax or HTML. */
export const escapeMarkdown = (words: string): string =>
  words
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\\`*_{}[\]|#~!]/g, (char) => `\\${char}`)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
