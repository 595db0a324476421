/** Where WebGPU finds a GPU in Node: the drivers of the system, else the software renderer that comes with Chromium. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface Gpu {
  /** for the report */
  device: string
  /** whether its speed says something of GPUs */
  isHardware: boolean
  /** what the process needs to find it */
  environment: Record<string, string>
}

const SYSTEM: Gpu = { device: 'GPU of this machine', isHardware: true, environment: {} }

/** of Debian, Ubuntu and Fedora, and of Google's own packages */
const RENDERERS = [
  '/usr/lib/chromium/libvk_swiftshader.so',
  '/usr/lib/chromium-browser/libvk_swiftshader.so',
  '/usr/lib64/chromium-browser/libvk_swiftshader.so',
  '/opt/google/chrome/libvk_swiftshader.so',
]

/** What to try, in this order; `directory` is for the file that describes a driver. */
export function gpusToTry(directory: string): Gpu[] {
  const renderer = RENDERERS.find((path) => existsSync(path))
  return renderer === undefined ? [SYSTEM] : [SYSTEM, softwareGpu(renderer, directory)]
}

/** Chromium brings a loader of Vulkan as well, which is used where the system has none. */
function softwareGpu(library: string, directory: string): Gpu {
  const description = join(directory, 'swiftshader.json')
  mkdirSync(directory, { recursive: true })
  writeFileSync(
    description,
    JSON.stringify({ file_format_version: '1.0.0', ICD: { library_path: library, api_version: '1.0.5' } }),
  )
  return {
    device: 'SwiftShader, a software renderer without float16',
    isHardware: false,
    environment: {
      VK_ICD_FILENAMES: description,
      VK_DRIVER_FILES: description,
      XDG_RUNTIME_DIR: directory,
      LD_LIBRARY_PATH: dirname(library),
    },
  }
}
