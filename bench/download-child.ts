// A process that downloads one file with the model store and prints, as a JSON line, how long that took and by how much
// its memory grew meanwhile. A process of its own, so that its memory is nobody else's.
import type { ModelRef } from '../src/engines/engine.ts';
import { ensureModelFiles } from '../src/engines/models/store.ts';

const [base = '', path = '', modelsRoot = ''] = process.argv.slice(2);
const SAMPLE_MS = 20;
const WARM_UP_BYTES = 64 * 1024 * 1024;

async function fetchModel(model: string, url: string): Promise<void> {
  const ref: ModelRef = {
    key: model,
    model,
    source: {
      engine: 'bench',
      files: [{ role: 'model', url, filename: 'model.bin' }],
      cliDefaults: { cfgScale: 1, steps: 1, width: 0, height: 0 },
    },
  };
  await ensureModelFiles(ref, {
    signal: new AbortController().signal,
    settings: { gpu: 'cpu', cpuThreads: 1, network: { allowLoopback: true, allowedHosts: [] }, modelsRoot },
    progress() {},
    log() {},
    retry: { firstMs: 1, mostMs: 1 },
  });
}

// What is loaded, compiled and allocated once is not growth.
await fetchModel('warm-up', `${base}/${WARM_UP_BYTES}`);
const before = process.memoryUsage.rss();
let most = before;
const sampler = setInterval(() => {
  most = Math.max(most, process.memoryUsage.rss());
}, SAMPLE_MS);
const start = performance.now();
await fetchModel('model', `${base}${path}`);
const ms = performance.now() - start;
clearInterval(sampler);
console.log(JSON.stringify({ ms, rssGrowthBytes: most - before }));
