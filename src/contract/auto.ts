/** What the method `auto` did: the rungs that it climbed, and which one was taken and why. */
import { z } from 'zod'
import { RowFacts } from './comparison.ts'
import { Goals } from './goals.ts'
import { Method } from './recipe.ts'

export const Rung = RowFacts.extend({
  options: Method.describe('of the method, as it was asked'),
  meets_goals: z.boolean().nullable().describe('null where it failed'),
  missed: z.array(z.string()).describe('what it did not reach, in words with numbers'),
})
export type Rung = z.infer<typeof Rung>

export const AutoReport = z.object({
  goals: Goals.describe('those of the request, and a point of accuracy where it names none'),
  met: z.boolean().describe('whether the rung that was taken meets all of them'),
  taken: z.number().int().nonnegative().describe('index of the rung whose artifact this is'),
  ended: z
    .enum(['goals_met', 'ladder_ended', 'time', 'stopped'])
    .describe('why no further rung was climbed; time: none of them would have ended in what was left of it'),
  text: z.string(),
  rungs: z.array(Rung).describe('in the order in which they were climbed, the cheapest first'),
  not_climbed: z.array(z.string()).describe('names of the rungs that were left'),
})
export type AutoReport = z.infer<typeof AutoReport>
