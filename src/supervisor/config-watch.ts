// Notices that the configuration changed while the worker runs, so that `set-threshold` and the like take effect without
// a restart. It asks the file system once a second: change notifications are lost on network and overlay file systems.
import type { ConfigStore } from './config/store.ts';
import type { Logs } from './logs/logs.ts';

/** The promise is "within one heartbeat", which is five of these. */
const EVERY_MS = 1_000;

/** Dispatches `change` after each change, with `config.current` already new. */
export function watchConfig(config: ConfigStore, logs: Logs): EventTarget & Disposable {
  const target = new EventTarget();
  let checking = false;
  const check = async (): Promise<void> => {
    if (checking) return;
    checking = true;
    try {
      const outcome = await config.refresh();
      if (outcome === 'changed') target.dispatchEvent(new Event('change'));
      else if (outcome !== 'unchanged') {
        logs.error('config', 'the changed configuration cannot be used, going on with the last good one', {
          problem: outcome.invalid,
        });
      }
    } catch (err) {
      logs.warn('config', 'the configuration could not be looked at', { err });
    } finally {
      checking = false;
    }
  };
  const timer = setInterval(() => void check(), EVERY_MS);
  return Object.assign(target, { [Symbol.dispose]: () => clearInterval(timer) });
}
