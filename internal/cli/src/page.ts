import { readFileSync } from 'node:fs';

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-size: .85rem; display: block; overflow-x: auto; }
caption, .note { color: #52606d; font-size: .9rem; text-align: left; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #d9e2ec; text-align: left; }
.row { display: flex; flex-wrap: wrap; gap: 1.2rem; } figure { margin: 0; } figcaption { color: #52606d; font-size: .85rem; }
img { image-rendering: pixelated; display: block; } pre { background: #f5f7fa; padding: .8rem; overflow: auto; font-size: .8rem; }`;

export const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** A page that stands alone: `body` is HTML below the title, which is text. */
export const htmlPage = (title: string, body: readonly string[]): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(title)}</h1>
${body.join('\n')}
</body></html>
`;

/** A page that `htmlPage` made, with a line of text below its title. */
export const addNote = (page: string, text: string): string =>
  page.replace('</h1>', () => `</h1>\n<p>${escapeHtml(text)}</p>`);

/** Cells and caption are text. */
export function htmlTable(head: readonly string[], rows: readonly (readonly string[])[], caption = ''): string {
  const row = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  const top = caption && `<caption>${escapeHtml(caption)}</caption>`;
  return `<table>${top}${row(head, 'th')}${rows.map((cells) => row(cells, 'td')).join('')}</table>`;
}

/** The picture of a WebP file, which becomes part of the page. */
export const htmlPicture = (file: string, caption: string): string =>
  `<figure><img alt="${escapeHtml(caption)}" src="data:image/webp;base64,${readFileSync(file).toString('base64')}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
