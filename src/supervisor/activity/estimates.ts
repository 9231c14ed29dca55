// How far estimates of memory are from what models took, counted on the way to the file that remembers it.
import type { MemoryTruth } from '../../workers/types.ts';
import type { Recorder } from './recorder.ts';

export function counted(truth: MemoryTruth, recorder: Recorder): MemoryTruth {
  return {
    peakOf: truth.peakOf,
    measured(model, memory) {
      truth.measured(model, memory);
      const { memoryBytes } = memory;
      if (memoryBytes === undefined || model.reservedBytes <= 0) return;
      recorder.estimates.observe({ engine: model.engine }, memoryBytes / model.reservedBytes);
    },
  };
}
