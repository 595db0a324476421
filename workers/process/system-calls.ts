/** The system calls that a confined runner may not make, as the BPF program that bubblewrap loads (seccomp). */
import { endianness } from 'node:os'

interface Processor {
  /** AUDIT_ARCH_* of linux/audit.h */
  audit: number
  /** which number of a row is its own */
  column: 0 | 1
}

type Numbers = readonly [x64: number, arm64: number | null]

const PROCESSORS: Record<string, Processor> = {
  x64: { audit: 0xc000003e, column: 0 },
  arm64: { audit: 0xc00000b7, column: 1 },
}

/** Numbers of asm/unistd_64.h and asm-generic/unistd.h. What libraries try and can do without answers ENOSYS. */
const REFUSED: Record<'EPERM' | 'ENOSYS', Record<string, Numbers>> = {
  EPERM: {
    // the network
    socket: [41, 198],
    // other processes
    ptrace: [101, 117],
    process_vm_readv: [310, 270],
    process_vm_writev: [311, 271],
    process_madvise: [440, 440],
    pidfd_getfd: [438, 438],
    kcmp: [312, 272],
    // mounts and namespaces, in which an ordinary user would be privileged again
    mount: [165, 40],
    umount2: [166, 39],
    move_mount: [429, 429],
    open_tree: [428, 428],
    fsopen: [430, 430],
    fsconfig: [431, 431],
    fsmount: [432, 432],
    fspick: [433, 433],
    mount_setattr: [442, 442],
    pivot_root: [155, 41],
    chroot: [161, 51],
    unshare: [272, 97],
    setns: [308, 268],
    // files by handle, past the walls
    name_to_handle_at: [303, 264],
    open_by_handle_at: [304, 265],
    fanotify_init: [300, 262],
    // memory and messages that no limit counts
    shmget: [29, 194],
    semget: [64, 190],
    msgget: [68, 186],
    mq_open: [240, 180],
    // the kernel's keys, programs and events
    add_key: [248, 217],
    request_key: [249, 218],
    keyctl: [250, 219],
    bpf: [321, 280],
    perf_event_open: [298, 241],
    userfaultfd: [323, 282],
    // the machine
    kexec_load: [246, 104],
    kexec_file_load: [320, 294],
    init_module: [175, 105],
    finit_module: [313, 273],
    delete_module: [176, 106],
    reboot: [169, 142],
    swapon: [167, 224],
    swapoff: [168, 225],
    acct: [163, 89],
    quotactl: [179, 60],
    quotactl_fd: [443, 443],
    syslog: [103, 116],
    settimeofday: [164, 170],
    clock_settime: [227, 112],
    clock_adjtime: [305, 266],
    adjtimex: [159, 171],
    sethostname: [170, 161],
    setdomainname: [171, 162],
    iopl: [172, null],
    ioperm: [173, null],
    modify_ldt: [154, null],
    vhangup: [153, 58],
    lookup_dcookie: [212, 18],
    nfsservctl: [180, 42],
  },
  ENOSYS: {
    // Its flags are behind a pointer, where no filter sees them; without it the C library calls clone.
    clone3: [435, 435],
    // Calls made through a ring pass by every filter.
    io_uring_setup: [425, 425],
    io_uring_enter: [426, 426],
    io_uring_register: [427, 427],
    // files in memory, which belong to no directory
    memfd_create: [319, 279],
    memfd_secret: [447, 447],
  },
}

const ERRNO = { EPERM: 1, ENOSYS: 38 }
const CLONE: Numbers = [56, 220]
const IOCTL: Numbers = [16, 29]
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */
const NEW_NAMESPACE = 0x7e020000
/** types into the terminal of whoever started the program */
const TIOCSTI = 0x5412
/** of the x32 calls of an x86 processor */
const X32 = 0x40000000

/** linux/filter.h and linux/seccomp.h */
const LOAD = 0x20
const IF_EQUAL = 0x15
const IF_AT_LEAST = 0x35
const IF_ANY_BIT = 0x45
const RETURN = 0x06
const ALLOW = 0x7fff0000
const KILL = 0x80000000
const REFUSE = 0x00050000
/** offsets in seccomp_data; arguments are 64 bits wide, their low halves first */
const NUMBER = 0
const AUDIT = 4
const ARGUMENTS = [16, 24] as const

/** code, jump when true, jump when false, operand */
type Instruction = readonly [number, number, number, number]

/** The program for `arch` (as process.arch has it), or null for a processor whose numbers are not listed. */
export function systemCallFilter(arch: string = process.arch): Buffer | null {
  const processor = PROCESSORS[arch]
  return processor && endianness() === 'LE' ? assemble(programFor(processor)) : null
}

function programFor({ audit, column }: Processor): Instruction[] {
  return [
    [LOAD, 0, 0, AUDIT],
    [IF_EQUAL, 1, 0, audit],
    [RETURN, 0, 0, KILL],
    [LOAD, 0, 0, NUMBER],
    ...refuse(IF_AT_LEAST, X32, 'EPERM'),
    ...refusedCalls(column),
    ...refuseArgument(CLONE[column]!, 0, [IF_ANY_BIT, NEW_NAMESPACE]),
    ...refuseArgument(IOCTL[column]!, 1, [IF_EQUAL, TIOCSTI]),
    [RETURN, 0, 0, ALLOW],
  ]
}

function refusedCalls(column: 0 | 1): Instruction[] {
  return (['EPERM', 'ENOSYS'] as const).flatMap((errno) =>
    Object.values(REFUSED[errno]).flatMap((numbers) => {
      const number = numbers[column]
      return number === null ? [] : refuse(IF_EQUAL, number, errno)
    }),
  )
}

/** Of what is loaded. */
function refuse(test: number, operand: number, errno: keyof typeof ERRNO): Instruction[] {
  return [
    [test, 0, 1, operand],
    [RETURN, 0, 0, REFUSE | ERRNO[errno]],
  ]
}

/** Of one call only when an argument of its is so; the number is loaded before and afterwards. */
function refuseArgument(call: number, argument: 0 | 1, [test, operand]: [number, number]): Instruction[] {
  const look: Instruction[] = [
    [LOAD, 0, 0, ARGUMENTS[argument]],
    ...refuse(test, operand, 'EPERM'),
    [LOAD, 0, 0, NUMBER],
  ]
  return [[IF_EQUAL, 0, look.length, call], ...look]
}

function assemble(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(8 * program.length)
  for (const [i, [code, ifTrue, ifFalse, operand]] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * i)
    bytes.writeUInt8(ifTrue, 8 * i + 2)
    bytes.writeUInt8(ifFalse, 8 * i + 3)
    bytes.writeUInt32LE(operand, 8 * i + 4)
  }
  return bytes
}
