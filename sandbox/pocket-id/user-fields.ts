import type { ApiError } from './api-error.ts';
import { alreadyInUse } from './api-error.ts';
import type { User } from './documents.ts';
import type { Fields } from './request-body.ts';
import { violatedConstraint } from './store.ts';

type UserDetails = Omit<User, 'id' | 'groupIds' | 'createdAt'>;

const username = {
  name: 'username',
  accepts: (text: string) => /^[a-zA-Z0-9]([a-zA-Z0-9_.@-]*[a-zA-Z0-9])?$/.test(text),
};

const email = { name: 'email', accepts: (text: string) => /^[^\s@]+@[^\s@]+$/.test(text) };

/** What a user is made of, read from a body; everything that is absent is empty or false, also on update. */
export const readUserDetails = (fields: Fields, emailRequired: boolean): UserDetails => ({
  username: fields.text('username', { required: true, min: 1, max: 50, form: username }),
  email: fields.optionalText('email', { required: emailRequired, form: email }),
  emailVerified: fields.flag('emailVerified'),
  firstName: fields.text('firstName', { max: 50 }),
  lastName: fields.text('lastName', { max: 50 }),
  displayName: fields.text('displayName', { max: 100 }),
  isAdmin: fields.flag('isAdmin'),
  locale: fields.optionalText('locale'),
  disabled: fields.flag('disabled'),
});

/** Turns PostgreSQL's refusal of a second user of that name or address into the answer for it. */
export const asUserConflict = (error: unknown): ApiError | undefined => {
  const constraint = violatedConstraint(error);
  if (constraint === 'standin_user_email') return alreadyInUse('email');
  return constraint === 'standin_user_username' ? alreadyInUse('username') : undefined;
};
