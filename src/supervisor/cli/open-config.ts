// How commands open the config: those that change it create it, those that only look never do. Both say on stderr what is
// odd about it.
import { type ConfigStore, openConfigStore } from '../config/store.ts';
import { warn } from './command.ts';

export async function openForWriting(configPath: string): Promise<ConfigStore> {
  const store = await openConfigStore(configPath, {
    create: true,
    detectedVramGb: async () => {
      const { probeDevice } = await import('../device-probe.ts');
      return (await probeDevice()).totalGb;
    },
  });
  return withWarnings(store);
}

export async function openForReading(configPath: string): Promise<ConfigStore> {
  return withWarnings(await openConfigStore(configPath));
}

function withWarnings(store: ConfigStore): ConfigStore {
  for (const warning of store.warnings) warn(warning);
  return store;
}
