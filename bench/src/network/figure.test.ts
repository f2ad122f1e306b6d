import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { groups, head, report } from '../../fixtures/network-report.ts';
import { drawDrop, drawTokens, writeFigures } from './figure.ts';
import { createReport } from './report.ts';

const countLines = (svg: string) =>
  [...svg.matchAll(/<g [^>]*aria-label="line">(.*?)<\/g>/g)].map(([, paths]) => paths!.match(/<path/g)!.length);

it('draws the step of both backbones against tokens, beside torch.compile', () => {
  const svg = drawTokens(report)!;
  for (const text of ['>softmax<', '>GLGA<', '>GLGA, 75 % dropped<', '>torch.compile, softmax<', '4,096']) {
    expect(svg).toContain(text);
  }
  for (const text of ['training step, ms for each clip', 'tokens, before any are dropped', 'abacus, 2 cores']) {
    expect(svg).toContain(text);
  }
  // Three plain, and GLGA with tokens dropped.
  expect(countLines(svg)).toEqual([3, 1]);
});

it('draws the step of every attention against the share of tokens dropped', () => {
  const svg = drawDrop(report)!;
  for (const text of ['>softmax<', '>SLA<', '>GLGA<', 'of 4,096 tokens, dropped in the middle, %', '>75<'])
    expect(svg).toContain(text);
  expect(countLines(svg)).toEqual([3]);
});

it('draws and writes what there is alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-figures-'));
  try {
    const short = createReport(head, groups.slice(0, 1));
    expect(drawTokens(short)).toBeUndefined();
    expect(writeFigures(short, folder)).toHaveLength(2);
    expect(readdirSync(folder)).toEqual(['network-step-against-drop.png', 'network-step-against-drop.svg']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
