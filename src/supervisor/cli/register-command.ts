// `studio-worker register`: edits the config only. The request itself is made by `run`, which also waits for the answer.
import { RESET } from '../registration/registration-state.ts';
import { type Command, configPathOf, say, UsageError } from './command.ts';

type Options = { label?: string | undefined; apiBaseUrl?: string | undefined; reset?: boolean | undefined };

export const registerCommand: Command<Options> = {
  command: 'register',
  describe: 'Choose the studio and how this worker is called there, or forget the registration',
  builder: (yargs) =>
    yargs
      .option('label', { type: 'string', requiresArg: true, describe: 'A name for the operator of the studio to see' })
      .option('api-base-url', { type: 'string', requiresArg: true, describe: 'The studio to work for' })
      .option('reset', { type: 'boolean', describe: 'Forget id, token and pending request; register anew' }),
  async handler(args) {
    const { baseUrlProblem } = await import('../config/base-url.ts');
    const apiBaseUrl = args.apiBaseUrl?.trim();
    const problem = apiBaseUrl === undefined ? undefined : baseUrlProblem(apiBaseUrl);
    if (problem !== undefined) throw new UsageError(`--api-base-url ${problem}`);

    const { openForWriting, tellOfRunningWorker } = await import('./open-config.ts');
    const store = await openForWriting(configPathOf(args));
    await store.patch({
      ...(args.reset && RESET),
      ...(apiBaseUrl !== undefined && { apiBaseUrl }),
      ...(args.label !== undefined && { label: args.label.trim() || undefined }),
    });
    if (args.reset) say('local registration state cleared; run `studio-worker run` to register again');
    else say(`saved; run \`studio-worker run\` to auto-register against ${store.current.apiBaseUrl}`);
    await tellOfRunningWorker(store);
  },
};
