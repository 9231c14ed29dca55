// The child's side of a probe: imports one module of one engine, asks it once, and says what it answered. Its parent ends
// it then, because native libraries are known to crash in their own clean-up.
import type { EngineSettings } from '../engines/engine.ts';
import { leaveWithParent } from './leave-with-parent.ts';
import type { ProbeAnswer, ProbeOrder } from './probe-messages.ts';

type ProbeModule = { probe?: unknown; processEnv?: unknown };
type Asked = (settings: EngineSettings) => unknown;

process.on('disconnect', () => process.exit(0));
process.on('message', (order: ProbeOrder) => void obey(order));
leaveWithParent();

async function obey(order: ProbeOrder): Promise<void> {
  tell(await answer(order));
}

async function answer({ kind, moduleUrl, settings }: ProbeOrder): Promise<ProbeAnswer> {
  let module: ProbeModule;
  try {
    module = (await import(moduleUrl)) as ProbeModule;
  } catch (thrown) {
    return { kind: 'missing', why: messageOf(thrown) };
  }
  const name = kind === 'env' ? 'processEnv' : 'probe';
  const exported = module[name];
  if (typeof exported !== 'function') return { kind: 'missing', why: `its module has no \`${name}\` export` };
  try {
    return { kind: 'answered', value: await (exported as Asked)(settings) };
  } catch (thrown) {
    return { kind: 'threw', why: messageOf(thrown) };
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function tell(answer: ProbeAnswer): void {
  if (!process.connected) return;
  // What cannot be sent is no report either.
  try {
    process.send?.(answer);
  } catch (thrown) {
    process.send?.({ kind: 'threw', why: messageOf(thrown) } satisfies ProbeAnswer);
  }
}
