// What of an engine's progress reaches the studio: four messages a second, and only numbers it accepts.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { parseWorkerFrame } from '../../../src/protocol/index.ts';
import { ProgressGate, wireProgress } from '../../../src/supervisor/jobs/progress-gate.ts';

test('at most one message passes in 250 ms, counted from the last that passed', () => {
  const gate = new ProgressGate();
  const passed = [0, 100, 249, 250, 300, 499, 500, 1000].filter((nowMs) => gate.passes(nowMs));
  assert.deepEqual(passed, [0, 250, 500, 1000]);
});

test('however often an engine reports, at most four messages a second pass', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(120), { maxLength: 400 }), (gaps) => {
      const gate = new ProgressGate();
      let nowMs = 0;
      const passed: number[] = [];
      for (const gap of gaps) {
        nowMs += gap;
        if (gate.passes(nowMs)) passed.push(nowMs);
      }
      for (const from of passed) {
        assert.ok(passed.filter((at) => at >= from && at < from + 1000).length <= 4);
      }
    }),
  );
});

test('whatever numbers an engine reports, the studio can read what is sent', () => {
  fc.assert(
    fc.property(
      fc.record({ ratio: fc.double(), step: fc.double(), steps: fc.integer() }, { requiredKeys: ['ratio'] }),
      (progress) => {
        const wire = wireProgress(progress);
        if (wire === undefined) return assert.ok(Number.isNaN(progress.ratio));
        const text = JSON.stringify({ type: 'progress', jobId: 'j', ...wire });
        assert.equal(parseWorkerFrame(text).kind, 'frame', text);
      },
    ),
  );
});

test('good progress goes out as it is', () => {
  assert.deepEqual(wireProgress({ ratio: 0.5, step: 4, steps: 8 }), { ratio: 0.5, step: 4, steps: 8 });
  assert.deepEqual(wireProgress({ ratio: 0 }), { ratio: 0 });
});

test('a ratio out of range is clamped, and a step that is no count is left out', () => {
  assert.deepEqual(wireProgress({ ratio: 1.5, step: -1, steps: 2.5 }), { ratio: 1 });
  assert.deepEqual(wireProgress({ ratio: Number.NEGATIVE_INFINITY }), { ratio: 0 });
  assert.equal(wireProgress({ ratio: Number.NaN, step: 1 }), undefined);
});
