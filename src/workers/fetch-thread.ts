// The entry of a thread that fetches the files of one model and ends. Started and heard by fetch-model.ts.
import { parentPort, workerData } from 'node:worker_threads';
import type { EngineSettings, ModelRef } from '../engines/engine.ts';
import { ensureModelFiles } from '../engines/models/store.ts';
import { Failure, toFailure } from '../protocol/failure.ts';
import type { FetchEvent } from './fetch-model.ts';

const { model, settings } = workerData as { model: ModelRef; settings: EngineSettings };
const aborting = new AbortController();

function tell(event: FetchEvent): void {
  parentPort?.postMessage(event);
}

parentPort?.once('message', () => aborting.abort(new Failure('CANCELLED', 'fetching was stopped')));
try {
  const files = await ensureModelFiles(model, {
    ...{ signal: aborting.signal, settings },
    progress: (ratio) => tell({ kind: 'progress', ratio }),
    log: (level, message) => tell({ kind: 'log', level, message }),
    received: (bytes) => tell({ kind: 'received', bytes }),
  });
  tell({ kind: 'fetched', files });
} catch (thrown) {
  const { code, message } = toFailure(thrown, 'DOWNLOAD_FAILED');
  tell({ kind: 'failed', failure: { code, message } });
}
// The thread ends when nothing can come to it any more.
parentPort?.close();
