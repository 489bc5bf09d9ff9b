import { providerContract, type ProviderUnderTest } from '../testing.ts';
import { openLocal } from './testing.ts';

providerContract('local', async (context): Promise<ProviderUnderTest> => {
  const { provider, dir } = openLocal(context);
  return {
    provider,
    runnable: { command: ['sleep', '300'], artifact: { digest: 'sha256:sleep', location: dir } },
    census: (scope) => provider.list(scope, new AbortController().signal),
  };
});
