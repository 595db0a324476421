/** The cases that are converted to float16. */
import { describeCases } from './suite.ts'

describeCases('float16')
