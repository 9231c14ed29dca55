// `studio-worker models pull`: the files of one model, downloaded by this very command, whether a worker runs or not. The
// model store's own locks keep it and a worker from downloading the same file twice.
import path from 'node:path';
import type { ModelFile } from '../../../protocol/index.ts';
import { fetchModel } from '../../../workers/fetch-model.ts';
import { engineSettings } from '../../host-settings.ts';
import { atRatio, inPhase, readClock, startClock } from '../../models/load-clock.ts';
import { endWith } from '../command.ts';
import { openForReading } from '../open-config.ts';
import { openCatalogueAccess } from './catalogue-access.ts';
import { openProgressLine } from './progress-line.ts';

/** What shells expect of a program that Ctrl-C has ended. */
const INTERRUPTED = 130;

/** Where the files lie; undefined when it was interrupted, which it has told then. */
export async function pull(configPath: string, id: string): Promise<readonly string[] | undefined> {
  const entry = (await (await openCatalogueAccess(configPath)).list()).find((model) => model.id === id);
  if (entry === undefined) throw new Error(`there is no model \`${id}\` in the catalogue`);
  const { current: config } = await openForReading(path.resolve(configPath));
  const totalBytes = bytesOf(entry.source.files);
  using stopping = abortOnInterrupt();
  using line = openProgressLine(id);
  let clock = inPhase(startClock(performance.now(), undefined), 'fetching', performance.now());
  try {
    const local = await fetchModel(
      { model: id, source: entry.source },
      {
        settings: engineSettings(config),
        signal: stopping.signal,
        progress(ratio) {
          clock = atRatio(clock, ratio, performance.now());
          const { progress, etaSeconds } = readClock(clock, performance.now());
          line.show({ ratio: progress, etaSeconds: ratio < 1 ? etaSeconds : undefined, totalBytes });
        },
        log: (level, message) => {
          if (level !== 'info') line.note(`${level === 'warn' ? 'warning' : level}: ${message}`);
        },
      },
    );
    return local.map((file) => file.path);
  } catch (thrown) {
    if (!stopping.signal.aborted) throw thrown;
    line.note(`stopped; what has arrived is kept, and \`studio-worker models pull ${id}\` goes on with it`);
    endWith(INTERRUPTED);
    return undefined;
  }
}

/** Undefined when one of them does not say. */
function bytesOf(files: readonly ModelFile[]): number | undefined {
  let sum = 0;
  for (const { approxBytes } of files) {
    if (!approxBytes) return undefined;
    sum += approxBytes;
  }
  return sum;
}

/** Once: a second Ctrl-C ends the process as ever. */
function abortOnInterrupt(): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new Error('interrupted'));
  process.once('SIGINT', abort);
  process.once('SIGTERM', abort);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      process.off('SIGINT', abort);
      process.off('SIGTERM', abort);
    },
  };
}
