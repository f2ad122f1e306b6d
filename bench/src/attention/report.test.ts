import { expect, it } from 'vitest';
import { comparison, report, shape } from '../../fixtures/attention-report.ts';
import { createReport } from './report.ts';
import { formatReport } from './table.ts';

const reported = report.comparisons[0]!;
const entry = (name: string) => reported.entries.find((candidate) => candidate.name === name)!;
const headline = report.headline!;

it("compares medians with PyTorch's faster one, which differs between forward and backward", () => {
  expect(reported.peer).toEqual({ forward: 'torch', gradient: 'torch-compile' });
  // 3 / 2 and 15 / 10; 3 / 5 and 15 / 20.
  expect(entry('native').forward.timesPeer).toBeCloseTo(1.5, 9);
  expect(entry('native').gradient.timesPeer).toBeCloseTo(1.5, 9);
  expect(entry('composed').forward.timesPeer).toBeCloseTo(0.6, 9);
  expect(entry('composed').gradient.timesPeer).toBeCloseTo(0.75, 9);
});

it('takes shares of the rate of products', () => {
  // 1,024 x 129 - 64 x 65 = 127,936 pairs, 4 x 64 FLOPs each in 4 heads; in 2 ms.
  const flops = 127_936 * 4 * 64 * 4;
  expect(reported.flops).toEqual({ forward: flops, gradient: 3.5 * flops });
  expect(entry('native').forward.shareOfLimit).toBeCloseTo(flops / 0.002 / 100e9, 9);
});

it('knows what inputs and outputs take, and all scores', () => {
  const tensor = 4 * 4 * 1024 * 64;
  // q, k, v and the output; then dy and three gradients besides.
  expect(reported.bytes).toEqual({ forward: 4 * tensor, gradient: 8 * tensor });
  expect(reported.scoreBytes).toBe(4 * 4 * 1024 * 1024);
});

it('finds slopes, the ratio of softmax to GLGA, and who is lowest with tokens dropped', () => {
  const { slopes, softmaxOverGlga, lowest } = headline.checks.forward;
  expect(slopes).toEqual({
    softmax: expect.closeTo(2, 9),
    linear: expect.closeTo(1, 9),
    local: expect.closeTo(1, 9),
    sla: expect.closeTo(1.25, 9),
    glga: expect.closeTo(1, 9),
  });
  // At 8,192 tokens 6 x 64 ms over 1.2 x 8.
  expect(softmaxOverGlga.map(({ tokens }) => tokens)).toEqual([1024, 2048, 4096, 8192, 16384]);
  expect(softmaxOverGlga[3]!.ratio).toBeCloseTo(40, 9);
  // A quarter of the tokens: 1.2 / 4 = 0.3 ms at 1,024, against linear attention's 0.5.
  expect(lowest[0]).toEqual({
    tokens: 1024,
    isLowest: true,
    seconds: expect.closeTo(0.0003, 9),
    other: 'linear',
    otherSeconds: expect.closeTo(0.0005, 9),
  });
});

it('has a curve for each kind, dense and with tokens dropped', () => {
  expect(headline.curves).toHaveLength(10);
  const dropped = headline.curves.find((curve) => curve.kind === 'softmax' && curve.dropped)!;
  expect(dropped.points.map(({ tokens }) => tokens)).toEqual([1024, 2048, 4096, 8192, 16384]);
  // 256 of 1,024 tokens are left: a sixteenth of the time.
  expect(dropped.points[0]!.forward.summary.median).toBeCloseTo(0.006 / 16, 9);
});

it('prints every figure, failure and omission', () => {
  const text = formatReport(report);
  for (const part of ['abacus', 'abc1234', 'TensorFlow 1.2.3', 'PyTorch 1.2.3', 'something is skipped']) {
    expect(text).toContain(part);
  }
  expect(text).toContain('Other processes used 15 % of the machine: too much');
  expect(text).toContain("PyTorch's fastest form, forward/backward: PyTorch eager 1024 products/products");
  // 25 MB are 6.0 times 4.2 MB, and 149 % of 16.8 MB.
  expect(text).toMatch(/^native +1024 +2\.00 +1\.50\.\.3\.00 +3 +66 % +1\.50 +25 +6\.0 +149 % +2\.0$/m);
  expect(text).toContain('softmax 2.00, linear 1.00');
  expect(text).toContain('8192 tokens 40.0x');
  expect(text).toContain('1024 tokens lowest (0.30 ms, linear 0.50)');
});

it('reports what failed, and kinds without a peer', () => {
  const { machine, rounds, tokens, skipped } = report;
  const lonely = createReport(
    { machine, rounds, shape, tokens, skipped },
    {
      comparisons: [
        {
          ...comparison,
          interleaved: false,
          entries: comparison.entries.slice(0, 1),
          failures: [{ label: 'composed', reason: 'killed' }],
        },
      ],
      failures: [{ label: 'softmax at 16384 tokens', reason: 'no memory' }],
    },
  );
  expect(lonely.comparisons[0]!.peer).toBeUndefined();
  expect(lonely.comparisons[0]!.entries[0]!.forward.timesPeer).toBeUndefined();
  const text = formatReport(lonely);
  expect(text).toContain('composed at 1024 tokens failed: killed');
  expect(text).toContain('softmax at 16384 tokens failed: no memory');
  expect(text).toContain('Not interleaved at 1024 tokens');
});

it('survives JSON', () => {
  expect(formatReport(JSON.parse(JSON.stringify(report)))).toBe(formatReport(report));
});
