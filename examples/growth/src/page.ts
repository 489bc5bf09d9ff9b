import { html } from 'hono/html';
import type { ListedAction } from './actions/proposals.ts';
import type { Recommender } from './recommenders/recommender.ts';
import { NOTHING_DECIDED, NOTHING_WAITING, TITLE } from './texts.ts';
import { VERSION } from './version.ts';

/** The page carries its own style and script; nothing else may run on it. */
export const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
  'cache-control': 'no-store',
};

const style = html`<style>
  :root {
    color-scheme: light dark;
    --line: light-dark(#e2e5e9, #30363d);
    --soft: light-dark(#5a6370, #9aa4b0);
    --back: light-dark(#f6f7f9, #0f1318);
    --card: light-dark(#fff, #171c22);
    --ink: light-dark(#1b2430, #e8ecf1);
    --accent: light-dark(#0b6b4f, #4cc79a);
    --on-accent: light-dark(#fff, #06231a);
    --bad: light-dark(#b3261e, #ff8a80);
  }
  * {
    box-sizing: border-box;
  }
  body {
    margin: 0;
    background: var(--back);
    color: var(--ink);
    font:
      15px/1.5 system-ui,
      sans-serif;
  }
  header,
  main {
    max-width: 60rem;
    margin: 0 auto;
    padding: 1.25rem 1rem;
  }
  header {
    display: flex;
    flex-wrap: wrap;
    gap: 0.25rem 1rem;
    align-items: baseline;
    justify-content: space-between;
    padding-bottom: 0;
  }
  h1 {
    font-size: 1.4rem;
    margin: 0;
  }
  h2 {
    font-size: 1rem;
    margin: 1.5rem 0 0.5rem;
  }
  .soft {
    color: var(--soft);
    font-size: 0.875rem;
  }
  .run {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem;
  }
  ul {
    list-style: none;
    margin: 0;
    padding: 0;
    display: grid;
    gap: 0.5rem;
  }
  li {
    background: var(--card);
    border: 1px solid var(--line);
    border-radius: 10px;
    padding: 0.85rem 1rem;
    display: grid;
    gap: 0.35rem;
  }
  .top {
    display: flex;
    gap: 0.75rem;
    justify-content: space-between;
    align-items: start;
  }
  .title {
    font-weight: 600;
    overflow-wrap: anywhere;
  }
  .status {
    font-size: 0.8rem;
    padding: 0.1rem 0.55rem;
    border-radius: 99px;
    border: 1px solid var(--line);
    white-space: nowrap;
  }
  .status.executed {
    color: var(--accent);
    border-color: currentColor;
  }
  .status.failed {
    color: var(--bad);
    border-color: currentColor;
  }
  .diff {
    font-size: 0.875rem;
    overflow-wrap: anywhere;
  }
  .diff del {
    color: var(--soft);
  }
  .diff ins {
    text-decoration: none;
    color: var(--accent);
  }
  .error {
    color: var(--bad);
    font-size: 0.875rem;
    overflow-wrap: anywhere;
  }
  .buttons {
    display: flex;
    gap: 0.5rem;
    margin-top: 0.25rem;
  }
  button {
    font: inherit;
    min-height: 2.5rem;
    padding: 0.3rem 0.9rem;
    border-radius: 8px;
    border: 1px solid var(--line);
    background: transparent;
    color: inherit;
    cursor: pointer;
  }
  button.yes {
    background: var(--accent);
    color: var(--on-accent);
    border-color: var(--accent);
    font-weight: 600;
  }
  button:disabled {
    opacity: 0.5;
    cursor: progress;
  }
  button:focus-visible {
    outline: 3px solid var(--accent);
    outline-offset: 2px;
  }
  [role='status'] {
    min-height: 1.5rem;
    margin: 0.75rem 0 0;
  }
</style>`;

const script = html`<script>
  document.addEventListener('click', async (event) => {
    const button = event.target.closest('button[data-post]');
    if (!button) return;
    const say = document.querySelector('[role=status]');
    button.disabled = true;
    say.textContent = 'Working ...';
    try {
      const response = await fetch(button.dataset.post, { method: 'POST' });
      if (response.ok) return location.reload();
      say.textContent = (await response.json()).error ?? 'It did not work (' + response.status + ').';
    } catch {
      say.textContent = 'The server did not answer. Nothing is lost: try again.';
    }
    button.disabled = false;
  });
</script>`;

const shown = (value: unknown): string =>
  value === null || value === undefined || value === ''
    ? '(nothing)'
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);

const button = (action: ListedAction, verb: string, label: string, kind = '') =>
  html`<button class="${kind}" data-post="/api/actions/${action.id}/${verb}" aria-label="${label}: ${action.title}">
    ${label}
  </button>`;

const card = (action: ListedAction) =>
  html`<li>
    <div class="top">
      <span class="title">${action.title}</span>
      ${action.status === 'pending' ? '' : html`<span class="status ${action.status}">${action.status.replace('_', ' ')}</span>`}
    </div>
    <div class="soft">
      ${action.source} · ${Math.round(action.confidence * 100)} % sure · about +${action.estimated_impact.toFixed(1)} %
      orders
    </div>
    ${Object.entries(action.diff).map(([field, { from, to }]) => html`<div class="diff">${field}: <del>${shown(from)}</del> → <ins>${shown(to)}</ins></div>`)}
    ${action.error === null ? '' : html`<div class="error">${action.error}</div>`}
    ${
      action.status === 'pending'
        ? html`<div class="buttons">
            ${button(action, 'approve', 'Approve', 'yes')}${button(action, 'reject', 'Reject')}
          </div>`
        : action.status === 'executed'
          ? html`<div class="buttons">${button(action, 'rollback', 'Roll back')}</div>`
          : ''
    }
  </li>`;

const section = (title: string, actions: readonly ListedAction[], empty: string) =>
  html`<h2>${title} (${actions.length})</h2>
    ${
      actions.length === 0
        ? html`<p class="soft">${empty}</p>`
        : html`<ul>
            ${actions.map(card)}
          </ul>`
    }`;

/** The operator's page. */
export function page(actions: readonly ListedAction[], recommenders: readonly Recommender[], release: string) {
  const pending = actions.filter(({ status }) => status === 'pending');
  const others = actions.filter(({ status }) => status !== 'pending');
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${TITLE}</title>
        <link rel="icon" href="data:," />
        ${style}
      </head>
      <body>
        <header>
          <h1>${TITLE}</h1>
          <span class="soft">${VERSION} · release ${release}</span>
        </header>
        <main>
          <div class="run">
            ${recommenders.map(({ name, summary }) => html`<button data-post="/api/recommenders/${name}/run" title="${summary}">Run ${name}</button>`)}
          </div>
          <p role="status"></p>
          ${section('Waiting for you', pending, NOTHING_WAITING)} ${section('Decided', others, NOTHING_DECIDED)}
        </main>
        ${script}
      </body>
    </html>`;
}
