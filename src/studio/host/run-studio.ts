// `studio-worker studio`: an embedded studio that runs until it is stopped, and says what to do next.
import { API_PREFIX } from '../../protocol/index.ts';
import { openOperator, type StudioEvents } from '../operator-client.ts';
import { openStudio } from './embedded-studio.ts';
import { printable } from './printable.ts';
import { withoutStacks } from './runtime-log.ts';
import { adminTokenFile, defaultStateDir, loadAdminToken } from './state-dir.ts';
import { aborted, openStopSignal } from './stop-signal.ts';

export type RunStudioOptions = {
  port: number;
  host: string;
  /** Default: the user's data folder. */
  stateDir?: string | undefined;
  /** Default: made once and kept in the state folder. */
  adminToken?: string | undefined;
  say?: (line: string) => void;
};

export async function runStudio(options: RunStudioOptions): Promise<void> {
  const say = options.say ?? ((line) => process.stdout.write(`${line}\n`));
  const stateDir = options.stateDir ?? defaultStateDir();
  const adminToken = options.adminToken ?? (await loadAdminToken(stateDir));
  using stop = openStopSignal();
  await using studio = await openStudio({
    stateDir,
    host: options.host,
    port: options.port,
    adminToken,
    onLog: (text) => process.stderr.write(withoutStacks(text)),
  }).catch(unlessStopped);
  if (studio === undefined) return;
  await using operator = openOperator({ url: studio.url, adminToken });
  // Before anybody hears of this studio, so that whoever asks to be let in at once is announced as well.
  await using events = await operator.events({ signal: stop.signal }).catch(unlessStopped);
  if (events === undefined) return;
  const tokenText = options.adminToken === undefined ? `$(cat '${adminTokenFile(stateDir)}')` : '$STUDIO_ADMIN_TOKEN';
  const curl = `curl -H "Authorization: Bearer ${tokenText}"`;
  const requests = `${studio.url}${API_PREFIX}/workers/register-requests`;
  say(`studio listening on ${studio.url}`);
  say(`  state        ${stateDir}`);
  say(`  admin token  ${options.adminToken === undefined ? adminTokenFile(stateDir) : 'as given'}`);
  say(`  API          ${studio.url}${API_PREFIX}/openapi.json`);
  say('');
  say('point a worker at it:');
  say(`  studio-worker register --api-base-url ${studio.url}/ && studio-worker run`);
  say('see who waits to be let in:');
  say(`  ${curl} '${requests}?status=pending'`);
  say('');

  announce(events).catch((error) => {
    // Being stopped ends the stream too. Anything else costs the announcements, not the studio.
    if (!stop.signal.aborted) process.stderr.write(`no more announcements: ${String(error)}\n`);
  });
  await aborted(stop.signal);
  say('stopping');

  /** A Ctrl-C reaches the runtime as well, so a start that is stopped may fail in any way: it was still just stopped. */
  function unlessStopped(error: unknown): undefined {
    if (!stop.signal.aborted) throw error;
  }

  /** Tells what an operator at this terminal should know; jobs are told by the API. */
  async function announce(events: StudioEvents): Promise<void> {
    for await (const { type, data } of events) {
      if (type === 'registration' && data.status === 'pending') {
        say(
          `${printable(data.label ?? data.machineName)} asks to be let in:\n  ${curl} -X POST ${requests}/${data.requestId}/approve`,
        );
      } else if (type === 'worker' && data.change !== 'updated') say(`worker ${data.workerId} is ${data.change}`);
    }
  }
}
