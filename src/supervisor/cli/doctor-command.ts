// `studio-worker doctor`: looks at the machine and says what works, what is missing and what to do about it.
import path from 'node:path';
import { EXIT } from '../exit-codes.ts';
import { type Command, configPathOf, endWith, say } from './command.ts';

export const doctorCommand: Command<{ json: boolean }> = {
  command: 'doctor',
  describe: 'Check engines, GPU, disks, ports and studio, and say what to install',
  builder: (yargs) => yargs.option('json', { type: 'boolean', default: false, describe: 'As JSON' }),
  async handler(args) {
    const { examine } = await import('../doctor/examine.ts');
    const { doctorText } = await import('../doctor/report-text.ts');
    const configPath = path.resolve(configPathOf(args));
    const progress = openProgress();
    const report = await examine(configPath, path.dirname(configPath), progress.show);
    progress.clear();
    say(args.json ? JSON.stringify(report, null, 2) : doctorText(report));
    endWith(report.canWork ? EXIT.ok : EXIT.error);
  },
};

/** One line on a terminal that is written over and taken away, so that neither a pipe nor a log ever holds it. */
function openProgress(): { show(what: string): void; clear(): void } {
  const { stderr } = process;
  if (!stderr.isTTY) return { show() {}, clear() {} };
  return {
    show: (what) => void stderr.write(`\r\u001b[Kchecking ${what} …`),
    clear: () => void stderr.write('\r\u001b[K'),
  };
}
