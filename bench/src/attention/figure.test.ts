import { expect, it } from 'vitest';
import { report } from '../../fixtures/attention-report.ts';
import { drawLatency } from './figure.ts';

it('names every curve, the axes, the machine and the commit', () => {
  const svg = drawLatency(report);
  for (const text of ['softmax', 'linear', 'local', 'SLA', '>GLGA<', 'GLGA, 75 % dropped', '16,384']) {
    expect(svg).toContain(text);
  }
  for (const text of ['forward pass, ms', 'tokens, before any are dropped', 'abacus, 2 cores', 'commit abc1234']) {
    expect(svg).toContain(text);
  }
  expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  // Four with tokens dropped, five dense, and GLGA with tokens dropped.
  const groups = [...svg.matchAll(/<g [^>]*aria-label="line">(.*?)<\/g>/g)].map(
    ([, paths]) => paths!.match(/<path/g)!.length,
  );
  expect(groups).toEqual([4, 5, 1]);
});

it('refuses a report that has not all kinds side by side', () => {
  expect(() => drawLatency({ ...report, headline: undefined })).toThrow('--only headline');
});
