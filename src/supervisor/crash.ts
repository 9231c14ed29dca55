// The way out of a process in which something went wrong that nobody foresaw.
import { EXIT } from './exit-codes.ts';
import type { Logs } from './logs/logs.ts';

/**
 * What nobody caught is logged before the process ends; a worker that goes on after that would be in an unknown state.
 * Returns the way out that does not wait for anything but the log.
 */
export function dieLoudly(logs: Pick<Logs, 'error' | 'flush'>): (code: number) => void {
  const leave = (code: number): void => {
    void logs.flush().finally(() => process.exit(code));
  };
  const die = (err: unknown): void => {
    logs.error('crash', 'an error that nothing handled, leaving', { err });
    leave(EXIT.error);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  return leave;
}
