# Entry of the payload: vmm-minimal enters here in 64-bit mode, paging on, interrupts off.
    .section .start, "ax"
    .globl start
start:
    mov $0x1F0000, %rsp
    call payload
1:  hlt
    jmp 1b
    .section .note.GNU-stack, "", @progbits
