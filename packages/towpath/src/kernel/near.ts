/** Edit distance with transposed neighbours counted as one (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The word that was probably meant; undefined when none is near (a third of the letters, at least 1). */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  let best: { readonly word: string; readonly far: number } | undefined;
  for (const candidate of candidates) {
    const known = candidate.toLowerCase();
    const prefix = wanted.length >= 3 && known.startsWith(wanted);
    const far = prefix ? 1 : distance(wanted, known);
    if (
      far <= Math.max(1, Math.floor(Math.max(wanted.length, known.length) / 3)) &&
      (best === undefined || far < best.far)
    ) {
      best = { word: candidate, far };
    }
  }
  return best?.word;
}
