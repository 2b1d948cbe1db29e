"""What outlives a process: mails that wait, and the counts of a storm."""
