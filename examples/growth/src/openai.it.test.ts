import { test } from 'vitest';
import { startOpenAiSimulator } from '../../simulators/openai.ts';
import { createWording } from './openai.ts';

test('wording comes from the model, and is plain when the model cannot', async ({ expect, onTestFinished, signal }) => {
  const openai = await startOpenAiSimulator();
  onTestFinished(() => openai.close());
  const words = createWording({ url: openai.url, key: 'simulator-key', model: 'gpt-5-mini' });
  expect(await words('A title for "Mug"', 'plain', signal)).toBe('Mug, chosen with care');

  openai.behave({ truncated: 1 });
  expect(await words('A title for "Mug"', 'plain', signal)).toBe('plain');
  expect(openai.completions(), 'a broken answer is worth three tries').toBe(4);

  openai.behave({ truncated: 0, outOfQuota: true });
  expect(await words('A title for "Mug"', 'plain', signal)).toBe('plain');
  expect(openai.completions(), 'an empty account is not').toBe(5);
});
