import type { Output } from '../needs.ts';

/** Draws lines over the ones drawn before. */
export interface LiveRegion {
  draw(lines: readonly string[]): void;
  /** Leaves the last picture and gives the cursor back. */
  close(): void;
}

/**
 * A region that is redrawn in place, without flicker: only lines that differ are written, in one
 * write, within a synchronized update (terminals that do not know it ignore it).
 */
export function createLiveRegion(output: Output): LiveRegion {
  let shown: readonly string[] = [];
  let open = true;
  output.write('\u001B[?25l');
  return {
    draw(wanted) {
      if (!open) return;
      // What has scrolled away cannot be redrawn: keep to the screen, newest lines last.
      const rows = Math.max(4, (output.rows ?? 24) - 1);
      const lines = wanted.length > rows ? wanted.slice(wanted.length - rows) : wanted;
      if (lines.length === shown.length && lines.every((line, i) => line === shown[i])) return;
      let out = '\u001B[?2026h';
      if (shown.length > 0) out += `\u001B[${shown.length}F`;
      for (const [i, line] of lines.entries()) {
        out += line === shown[i] ? '\n' : `${line}\u001B[K\n`;
      }
      if (shown.length > lines.length) out += '\u001B[J';
      output.write(`${out}\u001B[?2026l`);
      shown = lines;
    },
    close() {
      if (!open) return;
      open = false;
      output.write('\u001B[?25h');
    },
  };
}
