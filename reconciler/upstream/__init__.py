"""What an integration tells CHeKT: answers to alarm verifications, arming states, test events."""
