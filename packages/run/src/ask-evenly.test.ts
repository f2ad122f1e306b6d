import { datasetKind } from '@eflow/data';
import { describe, expect, it } from 'vitest';
import { askEvenly } from './ask-evenly.ts';
import { loadConfig } from './load-config.ts';

describe('askEvenly', () => {
  it('asks for classes in turn', () => {
    expect(askEvenly(loadConfig('digits-tiny'), 12)).toEqual({ labels: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1] });
  });

  it('asks for captions that lie evenly among all that there are', () => {
    const config = loadConfig('digits-text');
    const { captions, labels } = askEvenly(config, 64);
    expect(new Set(captions).size).toBe(64);
    const { factors, valuesOf, say } = datasetKind(config.data).captions!(config.data);
    expect(captions).toEqual(labels!.map((label) => say(label)));
    for (const [name, { length }] of Object.entries(factors)) {
      expect(new Set(labels!.map((label) => valuesOf(label)[name])).size).toBe(length);
    }
  });
});
