#!/usr/bin/env node
/** Entry of the command `fewbit`. */
import { run } from './run.ts'

process.exitCode = await run(process.argv)
