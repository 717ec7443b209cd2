import { expect, test } from 'vitest';
import { both, broken, createChecks, nothing } from '../../../../src/oidc/proof/checks.ts';
import { StackError } from '../../../../src/shared/errors.ts';
import { never } from '../support/stage.ts';

const rule = (id: string) => ({ id, title: `the rule ${id} holds`, fix: `mend ${id}` });

test('skips what needs a check that did not pass, with the reason, and asks for it all the same', async () => {
  const { check, checks } = createChecks(never);

  const first = await check(rule('a'), nothing, () => broken('2, wanted 1'));
  const second = await check(rule('b'), first, () => ({ seen: 'never looked at', value: undefined }));
  await check(rule('c'), both(nothing, second), () => ({ seen: 'never looked at', value: undefined }));
  await check(rule('d'), nothing, () => ({ seen: 'fine', value: undefined }));

  expect(checks()).toEqual([
    {
      id: 'a',
      title: 'the rule a holds',
      status: 'failed',
      detail: '2, wanted 1',
      fix: 'mend a',
      required: true,
    },
    ...['b', 'c'].map((id) => ({
      id,
      title: `the rule ${id} holds`,
      status: 'skipped',
      detail: 'did not run, because this failed: the rule a holds',
      required: true,
    })),
    { id: 'd', title: 'the rule d holds', status: 'passed', detail: 'fine', required: true },
  ]);
});

test('counts an error as a failure, and passes its hint on', async () => {
  const { check, checks } = createChecks(never);
  const error = new StackError('IDENTITY_UNREACHABLE', 'no answer', { hint: 'npm run status' });

  await check(rule('a'), nothing, async () => Promise.reject(error));

  expect(checks()[0]).toMatchObject({ status: 'failed', detail: 'no answer', fix: 'npm run status' });
});

test('ends as soon as it is interrupted, and calls nothing failed for it', async () => {
  const ending = new AbortController();
  const { check, checks } = createChecks(ending.signal);

  const running = check(rule('a'), nothing, () => {
    ending.abort(new Error('interrupted'));
    throw new Error('socket closed');
  });

  await expect(running).rejects.toThrow('interrupted');
  expect(checks()).toEqual([]);
});
