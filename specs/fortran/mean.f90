! One event: a JSON array of numbers on stdin, their mean on stdout. `error stop` is a failed event.
program mean
    implicit none
    character(len=65536) :: text
    real(kind=8), allocatable :: numbers(:)
    integer :: count, position, failed

    read (*, '(a)', iostat=failed) text
    if (failed /= 0 .or. text(1:1) /= '[') error stop 'the event is no array in one line of at most 65536 letters'
    count = merge(0, 1, verify(text, '[] ') == 0)
    do position = 1, len_trim(text)
        if (text(position:position) == ',') count = count + 1
        if (index('[]', text(position:position)) > 0) text(position:position) = ' '
    end do
    if (count == 0) error stop 'the event has no numbers'
    allocate (numbers(count))
    read (text, *, iostat=failed) numbers      ! list-directed input takes commas between numbers, as JSON has them
    if (failed /= 0) error stop 'the event has something else than numbers'
    write (*, '(a,i0,a,f0.3,a)') '{"count":', count, ',"mean":', sum(numbers) / count, '}'
end program mean
