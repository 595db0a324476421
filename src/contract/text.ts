/** How lines of text become the inputs of a model: through the tokenizer that lies beside them. */
import { z } from 'zod'

const name = z.string().min(1).max(1000)

export const TextSpec = z
  .strictObject({
    max_length: z
      .number()
      .int()
      .min(1)
      .max(32_768)
      .describe('tokens per sample: longer ones are cut, shorter ones padded'),
    fields: z
      .strictObject({
        text: name.default('text'),
        pair: name.default('text_pair').describe('a second text of the same sample, where a line has it'),
        label: name.default('label'),
      })
      .prefault({})
      .describe('names in each line'),
    inputs: z
      .strictObject({
        input_ids: name.default('input_ids'),
        attention_mask: name.default('attention_mask'),
        token_type_ids: name.default('token_type_ids'),
      })
      .prefault({})
      .describe("names of the model's inputs; those that it does not have are not used"),
    labels: z
      .enum(['field', 'next_token'])
      .default('field')
      .describe('next_token: each token is the label of the one before, for the perplexity of language models'),
  })
  .describe('how the lines of a .zip with a .jsonl and a tokenizer.json become inputs')
export type TextSpec = z.infer<typeof TextSpec>
