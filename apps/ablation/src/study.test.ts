import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@eflow/run';
import { afterAll, describe, expect, it } from 'vitest';
import { planCell } from './plan.ts';
import { expandCells, readStudy, studyNames } from './study.ts';

const folder = mkdtempSync(join(tmpdir(), 'study-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HEAD = 'name: trial\ntitle: A trial\nbases: [digits-tiny, digits-small]\nbudget: { steps: 30 }\n';

function study(text: string) {
  const file = join(folder, 'trial.yaml');
  writeFileSync(file, HEAD + text);
  return readStudy(file);
}

describe('readStudy', () => {
  it.each(studyNames())('%s is a study whose every cell can be planned', (name) => {
    const shipped = readStudy(name);
    for (const cell of expandCells(shipped, []))
      expect(planCell(cell, shipped.budget, 0.1).config.seed).toBe(cell.seed);
  });

  it('takes every combination of a grid, the last key fastest', () => {
    const { cells, reference } = study('grid: { objective.guidanceScale: [1, 2], network.mlp: [gelu, swiglu] }');
    expect(cells.map(({ name }) => name)).toEqual([
      'objective.guidanceScale=1 network.mlp=gelu',
      'objective.guidanceScale=1 network.mlp=swiglu',
      'objective.guidanceScale=2 network.mlp=gelu',
      'objective.guidanceScale=2 network.mlp=swiglu',
    ]);
    expect(reference).toBe(cells[0]!.name);
  });

  it('names the values of a grid that have names', () => {
    const { cells } = study('grid: { network.attention: { all: { kind: softmax } }, training.keepRatio: [1, 0.5] }');
    expect(cells).toEqual([
      {
        name: 'all training.keepRatio=1',
        patch: { 'network.attention': { kind: 'softmax' }, 'training.keepRatio': 1 },
      },
      {
        name: 'all training.keepRatio=0.5',
        patch: { 'network.attention': { kind: 'softmax' }, 'training.keepRatio': 0.5 },
      },
    ]);
    expect(() => study('grid: { seed: {} }')).toThrow('grid.seed');
  });

  it.each([
    ['cell: []', "unknown key 'cell'; did you mean 'cells'? Known here: name, title, bases"],
    ['cells: [{ name: a, patches: {} }]', "cells.0: unknown key 'patches'; did you mean 'patch'?"],
    ['cells: [{ name: a }]\nmeasure: [{ step: [1] }]', "measure.0: unknown key 'step'; did you mean 'steps'?"],
    [
      'cells: [{ name: a }]\nmeasure: [{ clips: 10 }]',
      'measure.0.clips: Too small: expected number to be >=256, got 10',
    ],
    [
      'cells: [{ name: a }]\nmeasure: [{ sampler: ddim }]',
      'measure.0.sampler: Invalid option: expected one of "few-step"',
    ],
    ['cells: [{ name: a }]\nseeds: []', 'seeds: Too small'],
    ['cells: [{ name: a }]\ngrid: { seed: [1] }', 'expected either cells, a list, or grid'],
    ['', 'expected either cells, a list, or grid'],
    ['cells: [{ name: a }]\nreference: b', "reference is 'b'; did you mean 'a'?"],
    ['cells: [{ name: a', 'not valid YAML'],
  ])('refuses %j', (text, message) => {
    expect(() => study(text)).toThrow(message);
  });

  it('refuses a budget of neither seconds nor steps, and studies that are not there', () => {
    const file = join(folder, 'budget.yaml');
    writeFileSync(file, `${HEAD.replace('steps: 30', 'minutes: 3')}cells: [{ name: a }]`);
    expect(() => readStudy(file)).toThrow('budget: expected { seconds: 600 } or { steps: 30 }');
    expect(() => readStudy('objective')).toThrow(`no such study; shipped: ${studyNames().join(', ')}`);
    expect(() => readStudy('./nowhere.yaml')).toThrow('cannot be read (ENOENT)');
  });
});

describe('expandCells', () => {
  it('has seeds outermost, then bases', () => {
    const cells = expandCells(study('cells: [{ name: + A }, { name: B }]\nseeds: [7, 3]'), []);
    expect(cells.map(({ id }) => id)).toEqual([
      ...['digits-tiny-A-seed7', 'digits-tiny-B-seed7', 'digits-small-A-seed7', 'digits-small-B-seed7'],
      ...['digits-tiny-A-seed3', 'digits-tiny-B-seed3', 'digits-small-A-seed3', 'digits-small-B-seed3'],
    ]);
  });

  it("applies the study's patch, then the changes, then the cell's patch, each value as it was written", () => {
    const patches = 'patch: { name: "1, true", optimizer.emaDecay: 0.5, optimizer.clipNorm: 3 }\n';
    const cell = '{ name: a, patch: { network.depth: [1, 3, 1], optimizer.clipNorm: 5 } }';
    const [first] = expandCells(study(`${patches}cells: [${cell}]`), [
      'optimizer.emaDecay=0.25',
      'optimizer.clipNorm=4',
    ]);
    const config = loadConfig('digits-tiny', first!.overrides);
    expect(config).toMatchObject({ name: '1, true', network: { depth: [1, 3, 1] } });
    expect(config.optimizer).toMatchObject({ emaDecay: 0.25, clipNorm: 5 });
  });

  it('refuses two cells of one folder', () => {
    expect(() => expandCells(study('cells: [{ name: a b }, { name: a-b }]'), [])).toThrow(
      'two cells would share the folder digits-tiny-a-b-seed0',
    );
  });
});

describe('planCell', () => {
  const [cell] = expandCells(study('cells: [{ name: a }]'), []);

  it('makes seconds the steps that fit into 97 % of them, to be made even if that takes longer', () => {
    const { config, seconds } = planCell(cell!, { seconds: 100 }, 0.3);
    expect(config.training).toMatchObject({ steps: 323, maxSeconds: 150 });
    expect(seconds).toBe(100);
  });

  it("lifts the preset's limit of seconds for a budget of steps", () => {
    const { config, seconds } = planCell(cell!, { steps: 5000 });
    expect(loadConfig('digits-tiny').training.maxSeconds).toBe(600);
    expect(config.training.steps).toBe(5000);
    expect(config.training.maxSeconds).toBeGreaterThan(86_400);
    expect(seconds).toBeUndefined();
    expect(planCell(cell!, { steps: 5000 }, 0.5).seconds).toBe(2500);
  });

  it('refuses measures that the objective was not trained for', () => {
    const [flow] = expandCells(
      study('cells: [{ name: FM, patch: { objective.kind: flowMatching } }]\nmeasure: [{ sampler: few-step }]'),
      [],
    );
    expect(() => planCell(flow!, { steps: 30 })).toThrow("cell 'FM': sampler 'few-step'");
  });
});
