import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { along, expectRows, meanSquare } from '../fixtures/float64-rows.ts';
import { huberFlowKind } from '../fixtures/huber-flow.ts';
import { expectPasses } from '../fixtures/watch-passes.ts';
import { LOSS_TERMS, OBJECTIVES, objectiveSchema } from './create-objective.ts';

/** The guide's objective, which no other file knows. */
describe('docs/adding-kinds.md, an objective', () => {
  const specWith = (change = {}) => huberFlowKind.schema.parse({ kind: 'huberFlow', ...change });

  it('shows the file that is tested here', () => {
    const guide = readFileSync(new URL('../../../docs/adding-kinds.md', import.meta.url), 'utf8');
    const file = readFileSync(new URL('../fixtures/huber-flow.ts', import.meta.url), 'utf8');
    expect(guide).toContain(`\`\`\`ts\n${file.slice(file.indexOf('const schema'))}\`\`\``);
  });

  it('has defaults, and refuses what it does not know', () => {
    expect(specWith()).toMatchObject({ path: 'linear', classDropoutProb: 0.1, delta: 0.03 });
    expect(() => specWith({ delta: 0 })).toThrow('Too small');
    expect(() => specWith({ guidanceScale: 2 })).toThrow('guidanceScale');
  });

  it('fits into the union of all kinds', () => {
    const all = z.discriminatedUnion('kind', [...objectiveSchema.options, huberFlowKind.schema]);
    expect(all.parse({ kind: 'huberFlow' })).toEqual(specWith());
    expect(all.parse({ kind: 'eflow' })).toEqual(objectiveSchema.parse({ kind: 'eflow' }));
  });

  it.each([0.03, 2])('is its equation in float64, gradients too, at delta %d', (delta) => {
    expectRows(huberFlowKind.create(specWith({ delta, pathDropProb: 0.3 })), (row, N) => {
      const square = meanSquare(along(N(row.x, row.t, row.t, row.y, !row.pathDropped), -1, row.v));
      return { loss: Math.sqrt(square + delta ** 2) - delta, terms: { velocityLoss: square } };
    });
  });

  it('takes one pass', () => expectPasses(huberFlowKind.create(specWith()), ['strong 12 with gradient']));
});

describe('LOSS_TERMS', () => {
  it('has each residual of an objective once, in the order of logs', () => {
    expect(LOSS_TERMS.map(({ name }) => name)).toEqual([
      'velocityLoss',
      'solutionLoss',
      'additivityLoss',
      'meanVelocityLoss',
    ]);
    for (const { kind, terms } of OBJECTIVES) expect([kind, terms[0]!.name]).toEqual([kind, 'velocityLoss']);
  });
});
