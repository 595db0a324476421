/** The cases that are quantized statically. */
import { describeCases } from './suite.ts'

describeCases('static')
