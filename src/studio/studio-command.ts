// `studio-worker studio`
import type { CommandModule } from 'yargs';
import { UsageError } from './usage-error.ts';

type Options = { port: number; host: string; state?: string | undefined; adminToken?: string | undefined };

export const studioCommand: CommandModule<object, Options> = {
  command: 'studio',
  describe: 'Run a studio on this machine: register workers, give them jobs, keep the results',
  builder: (yargs) =>
    yargs
      .option('port', { type: 'number', default: 8787, describe: 'TCP port; 0 takes a free one' })
      .option('host', { type: 'string', default: '127.0.0.1', describe: 'Address to listen on' })
      .option('state', { type: 'string', requiresArg: true, describe: 'Folder for jobs, workers and outputs' })
      .option('admin-token', {
        type: 'string',
        requiresArg: true,
        describe: "The operator's token, better given as STUDIO_ADMIN_TOKEN; by default one is made and kept",
      })
      .check(({ port, host, state, adminToken }: Options) => {
        if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError('--port must be 0 to 65535');
        if (host.trim() === '') throw new UsageError('--host needs an address');
        if (state?.trim() === '') throw new UsageError('--state needs a folder');
        if (adminToken !== undefined && adminToken.trim() === '')
          throw new UsageError('--admin-token must not be empty');
        if (!isLoopback(host) && givenToken(adminToken) === undefined) {
          throw new UsageError(
            `to listen on ${host}, where others can reach it, give --admin-token or STUDIO_ADMIN_TOKEN`,
          );
        }
        return true;
      }),
  async handler({ port, host, state, adminToken }) {
    const { runStudio } = await import('./host/run-studio.ts');
    await runStudio({ port, host, stateDir: state, adminToken: givenToken(adminToken) });
  },
};

function givenToken(option: string | undefined): string | undefined {
  return option ?? (process.env.STUDIO_ADMIN_TOKEN || undefined);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
