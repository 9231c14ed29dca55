// Whether llama.cpp runs here, and on what: its library is loaded and asked for its devices, no model is. A broken driver
// can end the process that asks, so this is called in a process of its own.
import { Failure } from '../../protocol/failure.ts';
import type { Probe } from '../engine.ts';
import { openBackend, REMEDY } from './backend.ts';

export const probe: Probe = async (settings) => {
  try {
    const { llama, name, devices } = await openBackend(settings, () => {});
    const { release } = llama.llamaCppRelease;
    await llama.dispose();
    const where = devices.length > 0 ? `${name}: ${devices.join(', ')}` : `${name}, no GPU that it can use`;
    return { ready: true, detail: `llama.cpp ${release} on ${where}`, backend: name, devices };
  } catch (thrown) {
    // A library that does not even load is not installed for this machine.
    const remedy = REMEDY[thrown instanceof Failure && settings.gpu !== 'auto' ? settings.gpu : 'cpu'];
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return { ready: false, detail: message.replace(`; ${remedy}`, ''), remedy };
  }
};
