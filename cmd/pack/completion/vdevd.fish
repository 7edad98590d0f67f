# Completion of vdevd for fish: the program itself says what it takes.
vdevd --print-completion=fish 2>/dev/null | source
