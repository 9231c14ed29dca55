// `studio-worker set-threshold <gb>`
import { type Command, configPathOf, say, UsageError, warn } from './command.ts';

export const setThresholdCommand: Command<{ gb: string }> = {
  command: 'set-threshold <gb>',
  describe: 'Set the largest job to take, in GiB of device memory',
  builder: (yargs) =>
    // As text: the parser of numbers would take `abc` for NaN and `0x10` for 16.
    yargs.positional('gb', { type: 'string', demandOption: true, describe: 'For example 16 or 7.5' }),
  async handler(args) {
    const gb = parseThreshold(args.gb);
    const { openForWriting, tellOfRunningWorker } = await import('./open-config.ts');
    const { probeDevice } = await import('../device/probe.ts');
    const store = await openForWriting(configPathOf(args));
    const before = store.current.vramThresholdGb;
    await store.patch({ vramThresholdGb: gb });
    say(`vram_threshold_gb = ${gb} (was ${before})`);

    const { totalGb } = await probeDevice();
    if (totalGb > 0 && gb > totalGb) {
      warn(`${gb} GiB is more than the ${totalGb} GiB found on this machine; jobs above that will fail`);
    }
    await tellOfRunningWorker(store);
  },
};

export function parseThreshold(text: string): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text.trim()))
    throw new UsageError('set-threshold: <gb> must be a number such as 16 or 7.5');
  const gb = Number(text);
  if (gb < 0) throw new Error('threshold must be >= 0');
  // A minus zero would be written as one.
  return Math.abs(gb);
}
