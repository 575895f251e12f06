/* What the guest learns of the machine's devices: ACPI 6.4, chapters 5 to 7. iasl compiles it at
 * build time. The numbers are those of memory_map.h, acpi_pm.h and pci_bus.h; the unit tests of
 * acpi compare them. */
DefinitionBlock ("", "DSDT", 2, "VRDIAN", "VIRIDIAN", 1)
{
    Name (\_S5, Package () { 5, 5, 0, 0 })

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_BBN, 0)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
                    0, 0, 0, 0, 1)
                IO (Decode16, 0xCF8, 0xCF8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0, 0, 0x0CF7, 0, 0x0CF8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0, 0x0D00, 0xFFFF, 0, 0xF300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
                    ReadWrite, 0, 0xC0000000, 0xFEBFFFFF, 0, 0x3EC00000)
            })

            /* INTA-INTD of every device, spread over I/O APIC pins 16 to 19. A device's pin p
             * (0 to 3) is on pin 16 + (device + p) % 4. */
            Method (_PRT, 0, Serialized)
            {
                Local0 = Package (128) {}
                Local1 = 0
                While (Local1 < 128)
                {
                    Local2 = Local1 >> 2
                    Local3 = Local1 & 3
                    Local4 = Package (4) { 0, 0, 0, 0 }
                    Local4 [0] = (Local2 << 16) | 0xFFFF
                    Local4 [1] = Local3
                    Local4 [3] = 16 + ((Local2 + Local3) & 3)
                    Local0 [Local1] = Local4
                    Local1++
                }
                Return (Local0)
            }

            /* hv_vmbus binds to this device; it asks it for nothing. A generation 1 machine has it
             * below PCI0, where the driver finds memory for devices that need some. */
            Device (VMBS)
            {
                /* A method, since iasl takes only ids of seven or eight characters in a name. */
                Method (_HID, 0, NotSerialized) { Return ("VMBus") }
                Name (_UID, 0)
                Name (_DDN, "VMBUS")
                Name (_CRS, ResourceTemplate () {})
                Method (_STA, 0, NotSerialized) { Return (0x0F) }
            }

            Device (ISA)
            {
                Name (_ADR, 0x00010000)

                Device (COM1)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 1)
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x3F8, 0x3F8, 1, 8)
                        IRQNoFlags () { 4 }
                    })
                }

                Device (RTC)
                {
                    Name (_HID, EisaId ("PNP0B00"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x70, 0x70, 1, 2)
                        IRQNoFlags () { 8 }
                    })
                }

                /* Ports that are taken, so that nothing else is put there: the POST code, port
                 * 92h, the hypercall page's two, and ACPI's registers. */
                Device (RSVD)
                {
                    Name (_HID, EisaId ("PNP0C02"))
                    Name (_UID, 1)
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x80, 0x80, 1, 1)
                        IO (Decode16, 0x92, 0x92, 1, 1)
                        IO (Decode16, 0xE4, 0xE4, 1, 4)
                        IO (Decode16, 0xE8, 0xE8, 1, 4)
                        IO (Decode16, 0x600, 0x600, 1, 0x0C)
                    })
                }
            }
        }
    }
}
