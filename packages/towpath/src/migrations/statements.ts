// Comments, strings, dollar quotes, quoted names. Enough to look for a statement's first word and for
// the semicolons between statements; what is executed is always the file as it stands.
const NOT_CODE = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|\$(\w*)\$[\s\S]*?\$\1\$|"[^"]*"/g;

/** The text with everything that is not code blanked out; every character stays at its place. */
export function codeOf(sql: string): string {
  return sql.replaceAll(NOT_CODE, (hidden) => hidden.replaceAll(/[^\n]/g, ' '));
}

/** The line on which the statement after `done` others begins, from 1; undefined when that is not sure. */
export function lineOfStatement(sql: string, done: number): number | undefined {
  const code = codeOf(sql);
  // Its body has semicolons of its own.
  if (/\bbegin\s+atomic\b/i.test(code)) return undefined;
  let from = 0;
  let seen = 0;
  for (const piece of code.split(';')) {
    const lead = /\S/.exec(piece)?.index;
    if (lead !== undefined && seen++ === done) return code.slice(0, from + lead).split('\n').length;
    from += piece.length + 1;
  }
  return undefined;
}
