/** The committed openapi.yaml: its operations, and validators of its schemas. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { parse } from 'yaml'

export const ROOT = join(import.meta.dirname, '..', '..', '..')
export const OPENAPI_FILE = join(ROOT, 'openapi.yaml')

export interface Schema {
  $ref?: string
  type?: string
  [keyword: string]: unknown
}
export interface Media {
  schema: Schema
  example?: unknown
  examples?: Record<string, { $ref?: string; value?: unknown }>
}
export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  schema: Schema
}
export interface Body {
  $ref?: string
  content?: Record<string, Media>
}
export interface Operation {
  operationId: string
  parameters?: (Parameter | { $ref: string })[]
  requestBody?: Body
  responses: Record<string, Body>
  security?: object[]
}
type PathItem = Record<string, Operation>

export const openapi = parse(readFileSync(OPENAPI_FILE, 'utf8')) as {
  paths: Record<string, PathItem>
  webhooks: Record<string, PathItem>
  components: Record<string, Record<string, unknown>>
}

const ajv = new Ajv2020({ strict: false, allErrors: false, logger: false })
;(addFormats as unknown as (to: Ajv2020) => void)(ajv)
ajv.addSchema(openapi, 'openapi')
const compiled = new Map<string, ValidateFunction>()

/** What is wrong with `value`, or null; `pointer` leads to a schema in the document. */
export function problemWith(pointer: string, value: unknown): string | null {
  const validate = compiled.get(pointer) ?? ajv.compile({ $ref: `openapi#${encodeURI(pointer)}` })
  compiled.set(pointer, validate)
  return validate(value) ? null : ajv.errorsText(validate.errors)
}

/** What is wrong with `value` by a schema of the document that holds no references relative to where it stands. */
export const fits = (schema: Schema, value: unknown): boolean =>
  ajv.validate({ ...schema, $ref: schema.$ref && `openapi${schema.$ref}` }, value)

export const pointerTo = (...keys: string[]): string =>
  keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

export function resolve<T extends object>(node: T | { $ref: string }): T {
  if (!('$ref' in node) || typeof node.$ref !== 'string') return node as T
  const keys = node.$ref.slice(2).split('/')
  return resolve(keys.reduce((at, key) => (at as Record<string, object>)[key] ?? {}, openapi as object) as T)
}

/** Where a body's content is described: its own place, or that of the component it refers to. */
export const pointerOfBody = (body: Body, own: string[]): string => (body.$ref ? body.$ref.slice(1) : pointerTo(...own))

export function examplesOf({ example, examples = {} }: Media): unknown[] {
  const named = Object.values(examples).map((one) => resolve<{ value?: unknown }>(one as { $ref: string }).value)
  return example === undefined ? named : [example, ...named]
}

export interface Call {
  path: string
  method: string
  operation: Operation
}

export const operationsOf = (items: Record<string, PathItem>): Call[] =>
  Object.entries(items).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  )
